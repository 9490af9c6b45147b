# SPDX-License-Identifier: Apache-2.0
"""A client for OCI registries: mirrors, credentials, resumed and verified downloads.

`endpoint` and `manifests` are plain data, `transport`, `blobs` and `credentials` are the doors,
`client` speaks to one endpoint, and `pull` goes through an image's endpoints in order.
"""
