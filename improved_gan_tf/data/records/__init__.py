"""TFRecord files of labeled images: format, reading, and conversion of pictures."""
