"""TFRecord files of labelled images: their format, reading them, converting pictures to them."""
