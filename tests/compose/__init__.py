"""The whole of docker-compose.yml, started for real; `make compose-test`. Not part of
the suite: it takes minutes, and needs root, podman and podman-compose."""
