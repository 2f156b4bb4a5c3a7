package io.fovea.app.serve;

import io.fovea.errors.FoveaException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;

/**
 * Where and how a server listens.
 *
 * @param host the address to listen on
 * @param port the port, or 0 for any free port
 * @param prefix the path under which a proxy publishes the server, such as {@code /fovea}; empty for
 *     none
 * @param certificate a PEM file with the certificate and its chain; null for HTTP without TLS
 * @param key a PEM file with the private key of the certificate
 * @param trustProxy whether the address of the client and the host are those that a proxy puts into
 *     {@code X-Forwarded-For} and {@code X-Forwarded-Host}
 * @param perMinute the number of requests that a client may send in a minute; 0 for any number
 * @param accessLog a file that receives a line for each request, {@code -} for the error stream; null
 *     for none
 */
public record Listening(
    String host,
    int port,
    String prefix,
    Path certificate,
    Path key,
    boolean trustProxy,
    int perMinute,
    Path accessLog) {
  /** Listens with HTTP, without limit. */
  public Listening(String host, int port) {
    this(host, port, "", null, null, false, 0, null);
  }

  /** Whether only this machine can reach the server. */
  public boolean isLocal() {
    return isLocal(host) && !trustProxy;
  }

  /** Whether the server speaks HTTPS. */
  public boolean isEncrypted() {
    return certificate != null;
  }

  /** Whether an address can be reached from this machine only. */
  public static boolean isLocal(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      throw new FoveaException("--host " + host + ": no such address", e);
    }
  }
}
