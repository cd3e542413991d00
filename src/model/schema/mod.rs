//! OpenAPI schemas of kinds, checking values against them, and the field sets of managedFields.
