"""A disk that is full, as far as a process can make one for itself."""

import contextlib
import resource


@contextlib.contextmanager
def file_size_limit(most):
    """Within the context no file of this process grows beyond `most` bytes.

    A write then fails as on a full disk (EFBIG in place of ENOSPC; Python ignores SIGXFSZ).
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
