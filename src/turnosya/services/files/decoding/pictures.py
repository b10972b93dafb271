"""An image as it is served: its header checked before it is decoded, upright, without anything but pixels.

https://exiftool.org/TagNames/EXIF.html for orientations; Pillow's names for modes.
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from turnosya.services.files.decoding.wire import CORRUPT, REFUSED, Made, Order

MAX_PIXELS, MAX_SIDE = 50_000_000, 16_384
THUMB, MEDIUM = 256, 1024
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_SAVING: dict[str, dict[str, int]] = {
    "JPEG": {"quality": 88},
    "PNG": {"compress_level": 4},
    "WEBP": {"quality": 88, "method": 2},
}
_VARIANT = {"quality": 80, "method": 1}
# Sixteen bits a channel: brought down to eight before anything else is done.
_DEEP = {"I;16", "I;16B", "I;16L", "I", "F"}
# Ours is the limit of pixels, checked before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


def made(order: Order) -> Made | str:
    """The image and its variants written into the order's folder, or why not."""
    kind = _FORMATS[order.content_type]
    try:
        with Image.open(order.source, formats=[kind]) as found:
            # A telephone's JPEG may carry a preview or a depth map behind its picture; the others would move.
            if kind != "JPEG" and getattr(found, "n_frames", 1) != 1:
                return REFUSED
            if found.width * found.height > MAX_PIXELS or max(found.size) > MAX_SIDE:
                return CORRUPT
            return _written(_plain(found, kind), kind, Path(order.folder))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, MemoryError, EOFError, KeyError):
        # What Pillow raises for broken files is not one family.
        return CORRUPT


def _plain(found: Image.Image, kind: str) -> Image.Image:
    profile = found.info.get("icc_profile")
    found.load()
    ImageOps.exif_transpose(found, in_place=True)
    image: Image.Image = found
    if image.mode in _DEEP:
        image = (
            image.point(lambda value: value / 256).convert("L") if image.mode != "F" else image.convert("L")
        )
    has_alpha = kind != "JPEG" and (
        image.mode in {"LA", "PA", "RGBA", "RGBa", "La"} or "transparency" in image.info
    )
    if profile:
        image = _in_srgb(image, profile)
    wanted = "RGBA" if has_alpha else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Its colours as they were meant; a profile that makes no sense is left aside."""
    if image.mode not in {"RGB", "CMYK"}:
        return image
    with suppress(ImageCms.PyCMSError, OSError, ValueError):
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        plain = ImageCms.createProfile("sRGB")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        converted = ImageCms.profileToProfile(image, given, plain, outputMode="RGB")  # pyright: ignore[reportUnknownArgumentType]
        if converted is not None:
            return converted
    return image


def _written(image: Image.Image, kind: str, folder: Path) -> Made:
    main = folder / f"main.{_ENDINGS[kind]}"
    # A new image of the same pixels: nothing that was read beside them is written again.
    image.info.clear()
    image.save(main, kind, **_SAVING[kind])
    medium = _smaller(image, MEDIUM, folder / "medium.webp")
    # From the smaller one: a sixteenth of the work, and no difference that anybody sees.
    _smaller(medium, THUMB, folder / "thumb.webp")
    return Made(
        str(main),
        image.width,
        image.height,
        str(folder / "thumb.webp"),
        str(folder / "medium.webp"),
    )


def _smaller(image: Image.Image, side: int, path: Path) -> Image.Image:
    """At most ``side`` pixels wide and high; a small one stays as it is."""
    small = image.copy() if max(image.size) <= side else image
    if small is image:
        scale = side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        # Twelve megapixels are halved cheaply first: 2000 pixels for 1024 are nearly the usual twice.
        small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.9)
    small.save(path, "WEBP", **_VARIANT)
    return small
