"""Opens gRPC channels to model servers."""

import ipaddress

import grpc


def open_channel(target: str, options: tuple[tuple[str, int], ...] = ()) -> grpc.Channel:
    """Returns a channel that takes answers of any size.

    Args:
        target: HOST:PORT. This machine is asked directly, whatever proxy the environment names.
        options: more of gRPC's channel arguments.
    """
    # As TensorFlow Serving's own limit: a batch of embeddings is larger than gRPC's 4 MB.
    options = (("grpc.max_receive_message_length", -1), *options)
    if is_this_machine(target):
        # gRPC asks http_proxy even for 127.0.0.1, which is another machine to the proxy.
        options = (("grpc.enable_http_proxy", 0), *options)
    return grpc.insecure_channel(target, options=options)


def is_this_machine(target: str) -> bool:
    """Returns whether `target`, as gRPC understands it, is a loopback address."""
    # Without the resolver: dns:///HOST:PORT, ipv4:ADDRESS:PORT, ipv6:[ADDRESS]:PORT.
    name = target.rpartition("/")[2].lower()
    for resolver in ("dns:", "ipv4:", "ipv6:"):
        name = name.removeprefix(resolver)
    host = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # the name of some machine
        return False
    # 0.0.0.0, which servers listen on, is this machine to a client.
    return address.is_loopback or address.is_unspecified
