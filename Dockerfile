# One image for every process of Sluice: `run reader`, `run relay`, `run projector <service>`, `run all`, and the commands.
# No container engine was at hand where this was written: it has not been built.
#
#   docker build -t sluice .
#   docker run --rm -e SLUICE_SYSTEM=medcontracthub -e SLUICE_PIPELINE_URL=… -e KAFKA_BROKERS=… -e SCHEMA_REGISTRY_URL=… sluice run relay
FROM node:24-slim AS install
WORKDIR /app
COPY . .
# Optional dependencies are the PostgreSQL servers of `sluice dev`; install scripts serve development only.
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force

FROM node:24-slim
ENV NODE_ENV=production \
    SLUICE_HEALTH_HOST=0.0.0.0 \
    SLUICE_HEALTH_PORT=8080
WORKDIR /app
COPY --from=install /app /app
# The image's own user without rights; by number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["node", "--max-semi-space-size=8", "packages/cli/src/main.ts", "health", "--live", "--health-host", "127.0.0.1"]
# Exec form: node is process 1 and gets SIGTERM itself.
ENTRYPOINT ["node", "--max-semi-space-size=8", "packages/cli/src/main.ts"]
CMD ["run", "all"]
