// SPDX-License-Identifier: MIT
import static org.junit.Assert.assertThrows;

import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import org.junit.Test;

public class PortTest {
    @Test
    public void aDeadPortRefusesASocket() {
        assertThrows(ConnectException.class, () -> new Socket("127.0.0.1", 50000));
    }

    @Test
    public void aDeadPortRefusesAChannel() {
        assertThrows(ConnectException.class, () -> SocketChannel.open(new InetSocketAddress("127.0.0.1", 50000)));
    }
}
