"""What tells data with boxes from others: the formats, and the class of a crop without a box."""

OF_BOXES = ("coco-boxes", "yolo", "voc", "cvat")  # the formats whose examples are boxes
NOTHING = "(nothing)"
