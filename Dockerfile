# The image of `deploy/kubernetes`: pingate, the libraries that it is linked with, and a user. Nothing in it needs a
# shell, and its root may be read-only. tests/e2e/test_deploy.py holds both lists of packages to ./dev and to the program.
FROM debian:12 AS build
RUN apt-get update && apt-get install -q -y --no-install-recommends \
        meson ninja-build gcc pkg-config binutils libc6-dev \
        libssl-dev libuv1-dev libnghttp2-dev libjansson-dev libyaml-dev libmicrohttpd-dev libseccomp-dev libpcre2-dev libcurl4-openssl-dev
WORKDIR /pingate
COPY . .
RUN meson setup build --prefix=/usr && ninja -C build src/cli/pingate && strip --strip-unneeded build/src/cli/pingate

FROM debian:12-slim
RUN apt-get update && apt-get install -q -y --no-install-recommends \
        libssl3 libuv1 libnghttp2-14 libjansson4 libyaml-0-2 libmicrohttpd12 libseccomp2 libpcre2-8-0 libcurl4 && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --gid 65532 pingate && \
    useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pingate
COPY --from=build /pingate/build/src/cli/pingate /usr/bin/pingate
COPY LICENSE /usr/share/doc/pingate/copyright
USER 65532:65532
ENTRYPOINT ["/usr/bin/pingate"]
