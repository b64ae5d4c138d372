// SPDX-License-Identifier: MIT
// Java NIO: a selector tells when the connection can be finished.
import java.net.InetSocketAddress;
import java.nio.channels.*;

class Connect {
    public static void main(String[] arguments) throws Exception {
        Selector selector = Selector.open();
        SocketChannel channel = SocketChannel.open();
        channel.configureBlocking(false);
        System.out.println("connect: " + channel.connect(new InetSocketAddress("127.0.0.1", 50000)));
        channel.register(selector, SelectionKey.OP_CONNECT);
        System.out.println("selected: " + selector.select(5000));
        System.out.println("finished: " + channel.finishConnect());
    }
}
