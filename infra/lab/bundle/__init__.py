"""The bundle: every image of the lab, built from package registries, as one archive with a manifest."""

from infra.lab.bundle.archive import Exported, export_archive, import_archive
from infra.lab.bundle.bundle import Bundle
from infra.lab.bundle.manifest import ImageRecord, Manifest

__all__ = ["Bundle", "Exported", "ImageRecord", "Manifest", "export_archive", "import_archive"]
