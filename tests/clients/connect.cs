// SPDX-License-Identifier: MIT
// connect.exe async | begin: connects to 127.0.0.1:50000 in one of .NET's two non-blocking ways.
using System;
using System.Net.Sockets;
using System.Threading.Tasks;

static class Connect
{
    static void Main(string[] arguments)
    {
        var client = new TcpClient();
        var connected = arguments[0] == "async"
            ? client.ConnectAsync("127.0.0.1", 50000)
            : Task.Factory.FromAsync(client.BeginConnect("127.0.0.1", 50000, null, null), client.EndConnect);
        try
        {
            connected.GetAwaiter().GetResult();
            Console.WriteLine("connected");
        }
        catch (SocketException error)
        {
            Console.WriteLine(error.SocketErrorCode + ": " + error.Message);
        }
    }
}
