package io.fovea.training.processes;

import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.Socket;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Collections;
import org.bytedeco.pytorch.PrefixStore;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.TCPStore;
import org.bytedeco.pytorch.TCPStoreOptions;

/**
 * Where all processes have met: a store that all of them reach, and the address of this machine at
 * which the others reach it.
 *
 * @param store stays open as long as the process lives
 * @param address the address of the interface that leads to the master
 */
record Meeting(Store store, InetAddress address) {
  private static final long RETRY = 200; // ms
  private static final int ATTEMPT = 5000; // ms; a packet that is lost is sent again before

  /**
   * Waits until all processes have come.
   *
   * @throws LostProcessException if the master cannot be reached or not all came in time
   */
  static Meeting of(Launch launch, Duration patience) {
    long end = System.nanoTime() + patience.toNanos();
    TCPStoreOptions options =
        new TCPStoreOptions()
            .port((short) launch.port())
            .isServer(launch.opensPort())
            .waitWorkers(false)
            .timeout(GlooGroup.millis(patience));
    TCPStore tcp = null;
    if (launch.opensPort()) {
      tcp = open(launch, options);
    }
    InetSocketAddress[] ends = reach(launch, patience, end);
    if (tcp == null) {
      tcp = GlooGroup.keep(new TCPStore(ends[1].getAddress().getHostAddress(), options));
    }
    Store store =
        launch.prefix().isEmpty() ? tcp : GlooGroup.keep(new PrefixStore(launch.prefix(), tcp));
    InetAddress own = ends[0].getAddress();
    store.add("fovea/remote", own.isLoopbackAddress() ? 0 : 1);
    long came = store.add("fovea/came", 1);
    while (came < launch.size()) {
      if (System.nanoTime() - end > 0) {
        throw new LostProcessException(
            String.format(
                "process %d of %d: only %d of %d processes came to %s within %s",
                launch.rank(),
                launch.size(),
                came,
                launch.size(),
                address(launch),
                seconds(patience)),
            null);
      }
      sleep();
      came = store.add("fovea/came", 0);
    }
    // the master's own name may lead to a loopback address, at which others do not reach it
    boolean wrong = own.isLoopbackAddress() && store.add("fovea/remote", 0) > 0;
    return new Meeting(store, wrong ? outwards(own) : own);
  }

  private static TCPStore open(Launch launch, TCPStoreOptions options) {
    try {
      return GlooGroup.keep(new TCPStore("127.0.0.1", options));
    } catch (RuntimeException e) {
      throw new LostProcessException(
          "port "
              + launch.port()
              + " of this machine, at which the processes meet, cannot be opened: "
              + reason(e),
          e);
    }
  }

  private static String reason(RuntimeException e) {
    return String.valueOf(e.getMessage()).contains("address already in use")
        ? "another program uses it"
        : GlooGroup.firstLine(e);
  }

  /** Connects to the master and hangs up. Returns the address of this end and of the other one. */
  private static InetSocketAddress[] reach(Launch launch, Duration patience, long end) {
    String last = "";
    do {
      try (Socket socket = new Socket()) {
        // resolved each time, because the name may get its address later
        String host = launch.opensPort() ? ownName(launch) : launch.master();
        InetSocketAddress there = new InetSocketAddress(host, launch.port());
        if (there.isUnresolved()) {
          throw new UnknownHostException("the host is unknown");
        }
        socket.connect(there, ATTEMPT);
        return new InetSocketAddress[] {(InetSocketAddress) socket.getLocalSocketAddress(), there};
      } catch (IOException e) {
        last = e.getMessage();
      }
      sleep();
    } while (System.nanoTime() - end < 0);
    throw new LostProcessException(
        String.format(
            "process %d of %d: cannot reach the master at %s (tried for %s; last: %s)",
            launch.rank(), launch.size(), address(launch), seconds(patience), last),
        null);
  }

  /** The master's own name, if it is known on its own machine. */
  private static String ownName(Launch launch) {
    try {
      return InetAddress.getByName(launch.master()).getHostAddress();
    } catch (UnknownHostException e) {
      return "127.0.0.1";
    }
  }

  private static String address(Launch launch) {
    return launch.master() + ":" + launch.port();
  }

  private static String seconds(Duration patience) {
    return patience.toSeconds() + " s";
  }

  private static void sleep() {
    try {
      Thread.sleep(RETRY);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LostProcessException("interrupted while waiting for the other processes", e);
    }
  }

  /** The first address of this machine that others can reach; IPv4 before IPv6. */
  private static InetAddress outwards(InetAddress otherwise) {
    InetAddress found = null;
    try {
      for (NetworkInterface each : Collections.list(NetworkInterface.getNetworkInterfaces())) {
        if (!each.isUp() || each.isLoopback()) {
          continue;
        }
        for (InetAddress address : Collections.list(each.getInetAddresses())) {
          if (address instanceof Inet4Address) {
            return address;
          }
          found = found == null && !address.isLinkLocalAddress() ? address : found;
        }
      }
    } catch (SocketException e) {
      return otherwise;
    }
    return found == null ? otherwise : found;
  }
}
