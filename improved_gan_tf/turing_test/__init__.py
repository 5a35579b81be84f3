"""The visual Turing test of section 4: people say which images are real and which generated.

`improved-gan turing-test` prepares the images, serves the annotators' pages and shows the results;
README.md beside this file is the guide. The order, from images to results: `images` (both kinds
alike), `study` (the test's folder), `protocol` (who sees what), `store` (votes), `app` and
`security` (pages), `server`, `statistics` and `results`, `simulate` (annotators that are programs).

Importing this package imports neither Flask nor waitress; they are the extra [turing-test].
"""
