"""What services stand on; knows no word of the business."""
