"""The AsyncAPI schema of a project's sockets. Its modules need drf-spectacular (`[schema]`)."""
