"""Records a table's finished runs: what a reader needs of them, and `reproduce` to go on.

    python tools/record_table.py runs/table-1 --out reference/results/table-1

Of every finished run it keeps the configuration, the results, the log, and where there are such the
labeled images' places, the classifier's probabilities and the scores; of the table, table.json and
table.md. Checkpoints and networks stay behind. Absolute paths are reduced to their last part. A run
that is recorded already is left as it is, since a copy of it may have been trained on.

Copied to another folder of runs, what is recorded continues there: `improved-gan reproduce` trains
what is left of the table, and makes its ensembles of old and new runs.
"""

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, temporary_folder, write_json
from improved_gan_tf.runs import RunFolder, recorded
from improved_gan_tf.runs.reading import read_json

_COPIED = ("log.csv", "labeled_indices.npy", "probabilities.npz")


def record(source: Path, out: Path) -> list[str]:
    """Records the finished runs of `source` that `out` lacks, and its table; returns their names.

    Raises:
        UserError: `source` holds no finished run, or a file is damaged.
    """
    finished = [folder for folder in sorted(source.glob("*/")) if RunFolder(folder).finished]
    if not finished:
        raise UserError(f"{source}: holds no finished run; name the folder of a table's runs")
    new = [folder for folder in finished if not (out / folder.name).exists()]
    for folder in new:
        with temporary_folder(out / folder.name) as made:
            _record(folder, made, ("config.json", "results.json", "scores.json"), _COPIED)
    _record(source, out, ("table.json",), ("table.md",))
    return [folder.name for folder in new]


def _record(source, out, contents, copied):
    """Copies the files that are there, those of JSON without absolute paths."""
    for name in contents:
        if (content := read_json(source / name, {})) is not None:
            write_json(out / name, recorded(content))
    for name in copied:
        if (source / name).is_file():
            with temporary(out / name) as made:
                shutil.copyfile(source / name, made)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", metavar="DIR", type=Path, help="the folder of the table's runs")
    parser.add_argument("--out", required=True, metavar="DIR", type=Path, help="where to keep them")
    options = parser.parse_args(arguments)
    try:
        new = record(options.table, options.out)
    except UserError as error:
        parser.error(str(error))
    print(f"{len(new)} new: {', '.join(new) or 'none'}")


if __name__ == "__main__":
    main()
