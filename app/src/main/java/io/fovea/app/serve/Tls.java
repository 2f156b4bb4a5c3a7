package io.fovea.app.serve;

import io.fovea.errors.FoveaException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.jetty.util.ssl.SslContextFactory;

/** Reads a certificate and its key from PEM files, as other servers do. */
final class Tls {
  private static final Pattern KEY =
      Pattern.compile("-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");
  private static final List<String> ALGORITHMS = List.of("RSA", "EC", "EdDSA");

  private Tls() {}

  /**
   * Reads the files.
   *
   * @throws FoveaException if a file cannot be read, or the key is not that of the certificate
   */
  static SslContextFactory.Server of(Path certificate, Path key) {
    Certificate[] chain = chain(certificate);
    PrivateKey secret = key(key);
    requireMatch(certificate, chain[0].getPublicKey(), key, secret);
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      store.setKeyEntry("fovea", secret, new char[0], chain);
      SslContextFactory.Server factory = new SslContextFactory.Server();
      factory.setKeyStore(store);
      factory.setKeyStorePassword("");
      return factory;
    } catch (GeneralSecurityException | IOException e) {
      throw new FoveaException(certificate + ": cannot be used: " + e.getMessage(), e);
    }
  }

  private static Certificate[] chain(Path file) {
    try {
      Certificate[] chain =
          CertificateFactory.getInstance("X.509")
              .generateCertificates(new ByteArrayInputStream(content(file)))
              .toArray(Certificate[]::new);
      if (chain.length == 0) {
        throw new FoveaException(file + ": contains no certificate");
      }
      return chain;
    } catch (CertificateException e) {
      throw new FoveaException(file + ": not a certificate in PEM", e);
    }
  }

  private static PrivateKey key(Path file) {
    Matcher pem = KEY.matcher(new String(content(file), StandardCharsets.ISO_8859_1));
    if (!pem.find()) {
      throw new FoveaException(
          file
              + ": expected an unencrypted key in PEM that begins with BEGIN PRIVATE KEY; openssl pkcs8"
              + " -topk8 -nodes -in KEY converts others");
    }
    byte[] encoded = Base64.getMimeDecoder().decode(pem.group(1));
    GeneralSecurityException reason = null;
    for (String algorithm : ALGORITHMS) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(encoded));
      } catch (GeneralSecurityException e) { // a key of another algorithm
        reason = e;
      }
    }
    throw new FoveaException(file + ": a damaged key, or neither RSA, EC nor EdDSA", reason);
  }

  private static void requireMatch(Path certificate, PublicKey open, Path key, PrivateKey secret) {
    boolean match = false;
    try {
      String kind = secret.getAlgorithm();
      Signature signature =
          Signature.getInstance(
              kind.equals("RSA")
                  ? "SHA256withRSA"
                  : kind.equals("EC") ? "SHA256withECDSA" : "EdDSA");
      signature.initSign(secret);
      byte[] signed = signature.sign();
      signature.initVerify(open);
      match = signature.verify(signed);
    } catch (GeneralSecurityException e) {
      match = false; // keys of different algorithms
    }
    if (!match) {
      throw new FoveaException(key + ": is not the key of the certificate " + certificate);
    }
  }

  private static byte[] content(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new FoveaException(file + ": no such file", e);
    } catch (IOException e) {
      throw new FoveaException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
