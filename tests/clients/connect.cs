// SPDX-License-Identifier: MIT
// connect.exe async | begin: connects to 127.0.0.1:50000 in one of .NET's two non-blocking ways.
using System;
using System.Net.Sockets;
using System.Threading.Tasks;

static class Connect
{
    static Task Start(TcpClient client, string way)
    {
        return way == "async"
            ? client.ConnectAsync("127.0.0.1", 50000)
            : Task.Factory.FromAsync(client.BeginConnect("127.0.0.1", 50000, null, null), client.EndConnect);
    }

    static int Main(string[] arguments)
    {
        using (var client = new TcpClient())
        {
            try
            {
                Start(client, arguments[0]).GetAwaiter().GetResult();
                Console.WriteLine("connected");
                return 0;
            }
            catch (SocketException error)
            {
                Console.WriteLine(error.SocketErrorCode + ": " + error.Message);
                return 1;
            }
        }
    }
}
