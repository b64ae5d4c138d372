// SPDX-License-Identifier: MIT
import static org.junit.Assert.assertThrows;

import java.net.ConnectException;
import java.net.Socket;
import org.junit.Test;

public class PortTest {
    @Test
    public void aDeadPortRefuses() {
        assertThrows(ConnectException.class, () -> new Socket("127.0.0.1", 50000));
    }
}
