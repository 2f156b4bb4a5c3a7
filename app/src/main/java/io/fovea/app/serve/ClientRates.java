package io.fovea.app.serve;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Limits the requests of a client: a bucket of tokens for each address, which holds those of ten
 * seconds. Of an IPv6 address the first 64 bits count, because a client has the others to itself.
 * Thread-safe.
 */
final class ClientRates {
  private static final int MOST_CLIENTS = 10_000;
  private static final double SECONDS_AT_ONCE = 10;

  private static final class Bucket {
    private double tokens;
    private long filled;
  }

  private final double perSecond;
  private final double capacity;
  private final LongSupplier nanos;
  private final Map<String, Bucket> buckets =
      new LinkedHashMap<>(16, 0.75f, true) { // the least recent first
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Bucket> eldest) {
          return size() > MOST_CLIENTS;
        }
      };

  /**
   * Creates a limit.
   *
   * @param perMinute the number of requests in a minute; 0 for any number
   * @param nanos the clock
   */
  ClientRates(int perMinute, LongSupplier nanos) {
    perSecond = perMinute / 60.0;
    capacity = Math.max(1, perSecond * SECONDS_AT_ONCE);
    this.nanos = nanos;
  }

  /** Whether a client may send a request now. */
  synchronized boolean allows(String address) {
    if (perSecond == 0) {
      return true;
    }
    long now = nanos.getAsLong();
    String client = client(address);
    Bucket bucket = buckets.get(client);
    if (bucket == null) {
      bucket = new Bucket();
      bucket.tokens = capacity;
      bucket.filled = now;
      buckets.put(client, bucket);
    }
    double seconds = (now - bucket.filled) / (double) TimeUnit.SECONDS.toNanos(1);
    bucket.tokens = Math.min(capacity, bucket.tokens + seconds * perSecond);
    bucket.filled = now;
    if (bucket.tokens < 1) {
      return false;
    }
    bucket.tokens--;
    return true;
  }

  private static String client(String address) {
    if (!address.contains(":")) {
      return address;
    }
    try { // an address, never a name, so that nothing is looked up
      byte[] bytes = InetAddress.getByName(address).getAddress();
      return HexFormat.of().formatHex(Arrays.copyOf(bytes, Math.min(8, bytes.length)));
    } catch (UnknownHostException e) {
      return address;
    }
  }
}
