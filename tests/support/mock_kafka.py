"""librdkafka's own mock of a Kafka cluster, in this process: it speaks the protocol on loopback and fails when it is told to.

confluent-kafka brings the library but not its interface, so these are its C functions.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka

PRODUCE = 0  # the protocol's number of the request
_PRODUCER = 0  # of the handle that the mock lives in
_ERROR_BYTES = 512


def _library() -> ctypes.CDLL:
    (file,) = (Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka-*.so.*")
    loaded = ctypes.CDLL(str(file))
    for made in (loaded.rd_kafka_conf_new, loaded.rd_kafka_new, loaded.rd_kafka_mock_cluster_new):
        made.restype = ctypes.c_void_p
    loaded.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return loaded


class MockKafka:
    """A cluster; `address` is where clients find it."""

    def __init__(self, brokers: int = 1) -> None:
        """It runs at once."""
        self._library = _library()
        why = ctypes.create_string_buffer(_ERROR_BYTES)
        settings = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        handle = self._library.rd_kafka_new(_PRODUCER, settings, why, ctypes.c_size_t(_ERROR_BYTES))
        assert handle, why.value.decode()
        self._handle = ctypes.c_void_p(handle)
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_mock_cluster_new(self._handle, brokers))
        self.address = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def topic(self, name: str, partitions: int = 3) -> str:
        """Make a topic; returns its name."""
        failed = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        assert not failed, failed
        return name

    def fail(self, codes: Sequence[int]) -> None:
        """Answer the next requests to produce with these errors, one each."""
        errors = (ctypes.c_int * len(codes))(*codes)
        push = self._library.rd_kafka_mock_push_request_errors_array
        push(self._cluster, ctypes.c_int16(PRODUCE), ctypes.c_size_t(len(codes)), errors)

    def close(self) -> None:
        """End it."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)


@contextmanager
def mock_kafka() -> Iterator[MockKafka]:
    """A cluster while the body runs."""
    made = MockKafka()
    try:
        yield made
    finally:
        made.close()
