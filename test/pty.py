# A pseudo-terminal whose other end is this program's stdin and stdout: `path` on the first line, then bytes as they are.

import os
import sys
import threading
import tty

master, slave = os.openpty()
tty.setraw(slave)
os.write(1, (os.ttyname(slave) + "\n").encode())


def out():
    while True:
        try:
            os.write(1, os.read(master, 65536))
        except OSError:
            return


threading.Thread(target=out, daemon=True).start()
while True:
    data = os.read(0, 65536)
    if not data:
        break
    while data:
        data = data[os.write(master, data) :]
