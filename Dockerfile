# syntax=docker/dockerfile:1
# Clearway as one static file in an empty image, not root. The compiler is that of rust-toolchain.toml, which is not
# copied: it would make rustup fetch tools that the build does not need.

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
COPY . .
# Static against glibc: nothing but the binary has to be shipped and kept up to date. `--target` keeps the flag away
# from build scripts and procedural macros, which cannot be static.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    target="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --target "$target" \
    && install -D "target/$target/release/clearway" /image/usr/local/bin/clearway \
    && mkdir -p /image/opt/clearml/config /image/certs /image/var/lib/clearway /image/run/clearway /image/tmp \
    && chown -R 65532:65532 /image/var/lib/clearway /image/run/clearway \
    && chmod 1777 /image/tmp

# Empty, because names are looked up in /etc/hosts and by DNS only, and both are part of a static glibc.
FROM scratch
COPY --from=build /image /
USER 65532:65532

# Relative paths that are not found beside proxy.conf begin here, also that of the local CA (`certs`), which must
# survive the container: a new one would have to be trusted again.
WORKDIR /var/lib/clearway
VOLUME /var/lib/clearway

# Below 1024, so the container needs `--sysctl net.ipv4.ip_unprivileged_port_start=0` where the engine does not set
# it by itself; or set listeners.https.bind and listeners.http.bind to higher ports and map them.
EXPOSE 80 443

ENTRYPOINT ["/usr/local/bin/clearway"]
CMD ["run"]

# Whether the proxy itself answers, never a service behind it: that one's fault must not restart the proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/clearway", "status"]
