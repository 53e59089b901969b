"""Rules 1xx: parameters in no group, in several, or in one without being trained."""
