"""What is known of a dataset before any rule judges it: its files, what they hold, what they measure."""
