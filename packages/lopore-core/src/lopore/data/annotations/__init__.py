"""Annotations in the formats that other tools write and read: COCO, YOLO, Pascal VOC, LabelMe, box tables, masks."""
