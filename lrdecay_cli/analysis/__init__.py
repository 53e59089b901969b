"""Pure functions that turn group maps and other records into reports: inspect, compare, explain, schedule, suggest."""
