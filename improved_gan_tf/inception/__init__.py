"""The Inception score of section 4, FID and KID, on the network of inception-2015-12-05."""
