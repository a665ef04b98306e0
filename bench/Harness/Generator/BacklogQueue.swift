/// Devices whose turn it is to send a piece of their backlog: first in, first out, each once.

struct BacklogQueue {
    private var sockets: [Int] = []
    private var head = 0
    private var isQueued: [Bool]

    /// For sockets 0 to `count` - 1.
    init(count: Int) { isQueued = Array(repeating: false, count: count) }

    var isEmpty: Bool { head == sockets.count }
    var count: Int { sockets.count - head }

    /// Does nothing where the socket is in the queue already.
    mutating func append(_ socket: Int) {
        guard !isQueued[socket] else { return }
        isQueued[socket] = true
        sockets.append(socket)
    }

    mutating func popFirst() -> Int? {
        guard !isEmpty else { return nil }
        let socket = sockets[head]
        head += 1
        if head == 4_096 || head == sockets.count {
            sockets.removeFirst(head)
            head = 0
        }
        isQueued[socket] = false
        return socket
    }
}
