"""The thread directory: an entry for each thread, and the lists made from an index of them.

It may import `storage` and the packages below it.
"""
