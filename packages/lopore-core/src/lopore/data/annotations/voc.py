"""Pascal VOC: one XML file an image, boxes only, counted from pixel 1.

Source: Everingham et al., The PASCAL Visual Object Classes Challenge 2012, development kit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from lopore.atomic_files import atomic_write_text
from lopore.errors import DataError
from lopore.messages import plain

from . import reading
from .mark import AnnotatedImage, AnnotationSet, Mark

SUFFIX = ".xml"


def read(path: Path, images: Path | None = None) -> AnnotationSet:
    """A folder of XML files, or one; classes in alphabetical order. images: not needed."""
    return reading.file_an_image(path, SUFFIX, _image)


def _image(file: Path) -> AnnotatedImage:
    text = reading.read_text(file)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities can expand without end, and read files
        raise DataError(f"{plain(file)} declares entities, which no annotation needs; export it again")
    try:
        root = ElementTree.fromstring(text)  # entities are refused above
        width, height = int(_text(root, "size/width")), int(_text(root, "size/height"))
        marks = tuple(_mark(file, one) for one in root.iter("object"))
        name = root.findtext("filename") or f"{file.stem}.jpg"
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{plain(file)} is no Pascal VOC annotation ({plain(error, 100)}); export it again") from None
    return reading.image(file, file=name.replace("\\", "/"), width=width, height=height, marks=marks)


def _text(node: ElementTree.Element, name: str) -> str:
    found = node.findtext(name)
    if found is None:
        raise ValueError(f"<{name}> is missing")
    return found.strip()


def _mark(file: Path, node: ElementTree.Element) -> Mark:
    left, top, right, bottom = (float(_text(node, f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax"))
    return reading.mark(
        file,
        class_name=_text(node, "name"),
        kind="box",
        box=(left - 1, top - 1, right, bottom),
        ignore=(node.findtext("difficult") or "0").strip() == "1",
    )


def write(annotations: AnnotationSet, target: Path) -> list[str]:
    """Write an XML file an image into the folder ``target``; returns what VOC cannot hold."""
    outlines = 0
    for image in annotations.images:
        file = target / Path(image.file).with_suffix(".xml")
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(file, _xml(image, image.marks))
        outlines += sum(not one.weak for one in image.marks)
    return [f"Pascal VOC holds boxes only: {outlines} outlines became boxes"] if outlines else []


def _xml(image: AnnotatedImage, marks: Sequence[Mark]) -> str:
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = image.file
    size = ElementTree.SubElement(root, "size")
    for name, value in (("width", image.width), ("height", image.height), ("depth", 1)):
        ElementTree.SubElement(size, name).text = str(value)
    for one in marks:
        node = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(node, "name").text = one.class_name
        ElementTree.SubElement(node, "difficult").text = str(int(one.ignore))
        box = ElementTree.SubElement(node, "bndbox")
        left, top, right, bottom = one.box
        for name, edge in (("xmin", left + 1), ("ymin", top + 1), ("xmax", right), ("ymax", bottom)):
            ElementTree.SubElement(box, name).text = f"{edge:.10g}"
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
