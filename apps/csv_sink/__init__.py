"""Sensor readings of boards as rows of a CSV file on the shared volume.

The promise: one Kafka record is one row, across restarts and kill -9: a journal beside the file tells which offsets are in
it and what was being written. The file is only ever appended to; who shortens, edits or removes it finds it so, and new
rows follow. What is no reading lies in the dead-letter topic with its reason; other messages of boards are counted.
"""
