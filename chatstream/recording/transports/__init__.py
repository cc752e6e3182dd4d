"""Recording and replaying beneath clients of httpx and httpx2: transports, and the cassette that decides for them."""
