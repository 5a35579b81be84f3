"""TFRecord files of labelled images: format, reading, and conversion of pictures."""
