# SPDX-License-Identifier: MIT
require "eventmachine"

module Client
  def connection_completed
    puts "connected"
  end

  def unbind(reason = nil)
    puts "unbound: #{reason.inspect}"
    EventMachine.stop
  end
end

EventMachine.run { EventMachine.connect("127.0.0.1", 50000, Client) }
