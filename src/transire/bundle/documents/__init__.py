"""The shapes of a bundle's YAML files, with units in names; unknown keys are errors.

These models are the documentation of `taxonomy.yaml`, `catalog/*.yaml`, `routing.yaml`,
`experiments.yaml` and `prompts/*.yaml`, and the source of the JSON Schemas in `schemas/`.
"""
