# SPDX-License-Identifier: MIT
# Qt: the event loop ends at the first signal of the socket.
import sys

from PyQt5.QtCore import QCoreApplication
from PyQt5.QtNetwork import QTcpSocket

application = QCoreApplication(sys.argv)
socket = QTcpSocket()
socket.stateChanged.connect(lambda state: print("state", state))
socket.connected.connect(lambda: (print("connected"), application.quit()))
socket.error.connect(lambda error: (print("error", error, socket.errorString()), application.quit()))
socket.connectToHost("127.0.0.1", 50000)
print("connectToHost() has returned in state", socket.state())
application.exec()
