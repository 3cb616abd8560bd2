REST_CHANNELS = {
    "TRUSTED_PROXIES": ["10.0.0.5", "10.1.0.0/16"],  # "unix" for a Unix socket
}
