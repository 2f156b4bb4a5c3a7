# Fovea's explorer in a container. Build the archive first: mvn -Prelease -DskipTests verify
FROM eclipse-temurin:25-jre
ARG VERSION
RUN useradd --create-home --uid 10001 fovea
ADD dist/target/fovea-${VERSION}-linux-x86_64.tar.gz /opt/
RUN ln -s /opt/fovea-${VERSION}/bin/fovea /usr/local/bin/fovea
USER fovea
WORKDIR /home/fovea
# Unpacks the native libraries, so that no start has to.
RUN fovea doctor
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD wget -qO- http://localhost:8080/health || exit 1
ENTRYPOINT ["fovea"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "/home/fovea/runs"]
