# Portcullis alone in an image: one static program, no shell, no user but its own.
#
#   docker build -t portcullis .
#   docker run -p 443:443 -v ./portcullis.conf:/etc/portcullis/portcullis.conf:ro -v ./ssl:/etc/nginx/ssl:ro portcullis
#
# To pin the base image, give it by digest: --build-arg BASE=debian:bookworm-slim@sha256:…
# Debian 12: the libcrypto of Debian 13 makes the program 2.7 MB larger.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
      bzip2 ca-certificates cmake curl debian-archive-keyring gcc libc-ares-dev libc6-dev libpcre2-dev libssl-dev \
      libuv1-dev libzstd-dev ninja-build patch pkgconf zlib1g-dev \
      $([ "$(dpkg --print-architecture)" != amd64 ] || echo libipsec-mb-dev) \
    && rm -rf /var/lib/apt/lists/*
ENV XDG_CACHE_HOME=/cache
WORKDIR /src
# mbedTLS is built at configure time: a layer of its own, which a change of our sources does not touch.
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
RUN cmake --preset static -DCMAKE_INSTALL_PREFIX=/usr
COPY . .
RUN cmake --preset static && cmake --build --preset static \
    && DESTDIR=/image cmake --install build/static --strip && rm -rf /image/usr/share /image/usr/lib
# Who it runs as, and logs that go where the engine looks for them.
RUN cd /image && mkdir -p -m 1777 tmp && mkdir -p run var/log/portcullis \
    && echo 'portcullis:x:65532:65532::/:/nonexistent' >etc/passwd && echo 'portcullis:x:65532:' >etc/group \
    && ln -s /dev/stdout var/log/portcullis/access.log && ln -s /dev/stderr var/log/portcullis/error.log

FROM scratch
COPY --from=build /image /
USER 65532:65532
EXPOSE 443
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/sbin/portcullis", "--check", "127.0.0.1:443"]
ENTRYPOINT ["/usr/sbin/portcullis", "-c", "/etc/portcullis/portcullis.conf"]
CMD ["-g", "daemon off; pid /tmp/portcullis.pid; error_log stderr;"]
