"""Rules 1xx: parameters that are in no group, in several groups, or in a group but not trained."""
