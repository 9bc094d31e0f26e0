# leadsync in a container: one static program, certificates, and nothing else. docs/deployment.md says how to run it.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" --tag leadsync:0.1.0 .

# Not the slim one: jemalloc is built by make.
FROM rust:1.95-bookworm AS builder
WORKDIR /src
COPY . .
# Static, so that the image needs no C library: since glibc 2.34 names are looked up (files, DNS) without loading one. A target must
# be named, or the flag would reach the build scripts as well. `smaller` is for the linker that Rust brings for x86-64: relocations
# packed, and functions that came out alike kept once. On ARM, pages may have 64 KiB where it runs. The caches make the next build short.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    host="$(rustc --print host-tuple)" \
 && smaller="" && case "$host" in x86_64-*) smaller="-C link-arg=-Wl,-z,pack-relative-relocs,--icf=all" ;; \
        aarch64-*) export JEMALLOC_SYS_WITH_LG_PAGE=16 ;; esac \
 && RUSTFLAGS="-C target-feature=+crt-static $smaller" cargo build --locked --release --target "$host" \
 && mkdir -p /out/state/leadsync \
 && chmod 0700 /out/state/leadsync \
 && cp "target/$host/release/leadsync" /out/

# Certificates, time zones, the user `nonroot` (65532) and an empty /tmp; no shell.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="leadsync" \
      org.opencontainers.image.description="Keeps Leads in step, both ways, between essensys Operate and Salesforce" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="gcr.io/distroless/static-debian12:nonroot"
COPY LICENSE LICENSE-APACHE LICENSE-MIT /usr/share/doc/leadsync/
COPY --from=builder /out/leadsync /usr/local/bin/leadsync
# The folder of the store comes with its owner: a new volume takes both over.
COPY --from=builder --chown=65532:65532 /out/state/ /var/lib/
ENV LEADSYNC_CONFIG=/etc/leadsync/leadsync.toml
USER 65532:65532
WORKDIR /var/lib/leadsync
VOLUME /var/lib/leadsync
EXPOSE 8080
STOPSIGNAL SIGTERM
# Asks /readyz of the daemon at [ops].listen.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["/usr/local/bin/leadsync", "health"]
ENTRYPOINT ["/usr/local/bin/leadsync"]
CMD ["--log-format", "json", "run"]
