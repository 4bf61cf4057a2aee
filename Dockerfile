# A small image without a shell, for a user that is not root: docker build -t leader-node:0.1.0 .
FROM --platform=$BUILDPLATFORM denoland/deno:2.9.6 AS build
ARG TARGETARCH
ARG COMMIT=
WORKDIR /src
COPY . .
# Compiled for the other architecture, not emulated.
RUN case "$TARGETARCH" in amd64) arch=x86_64 ;; arm64) arch=aarch64 ;; *) exit 1 ;; esac && \
  deno run -A --quiet dev/compile.ts --target "$arch-unknown-linux-gnu" --output /leader-node

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /leader-node /leader-node
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/leader-node"]
