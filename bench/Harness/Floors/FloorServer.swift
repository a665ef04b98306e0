/// The floor of receiving and of sending: the least any server can do with the same bytes on the same sockets.
///
/// It is started as a process of its own, pinned like the gateway, and measured the same way. A device's frame is read,
/// its length is looked at, and 20 bytes of acknowledgement go back; if viewers watch its driver, each gets one `send`.
import CLinux
import Glibc

struct FloorServer: ~Copyable {
    private let poller = Poller()
    private let listener: Int32
    let port: Int
    private let pingsPerFrame: Int
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    /// By descriptor: what kind of client it is, how many pings it has sent.
    private var kinds: [Kind] = []
    private var counts: [Int] = []
    /// Descriptors of viewers by driver.
    private var viewers: [[Int32]] = []
    private var push: [UInt8]
    private let pushDigits: (driver: Int, recordedAt: Int)
    private var acknowledgement = [0x81, 18] + Array("{\"ack\":0000000000}".utf8)

    private enum Kind {
        case unknown, device, viewer
    }

    /// `pushBytes` is the size of a frame to a viewer, header included, as the gateway's was.
    init(pingsPerFrame: Int, pushBytes: Int) throws {
        self.pingsPerFrame = pingsPerFrame
        (listener, port) = try Socket.listen()
        let start = "{\"positions\":[{\"driver_id\":\"bench-"
        let middle = "00000\",\"recorded_at\":"
        var payload = start + middle + "0000000000000"
        let header = pushBytes < 128 ? 2 : 4
        let size = max(pushBytes - header, payload.utf8.count + 3)
        payload += String(repeating: " ", count: size - payload.utf8.count - 3) + "}]}"
        let headerBytes: [UInt8] =
            size < 126 ? [0x81, UInt8(size)] : [0x81, 126, UInt8(size >> 8), UInt8(size & 0xFF)]
        push = headerBytes + Array(payload.utf8)
        pushDigits = (
            headerBytes.count + start.utf8.count, headerBytes.count + start.utf8.count + middle.utf8.count
        )
        poller.add(listener, number: Int(listener))
    }

    deinit { buffer.deallocate() }

    /// Serves until the process is ended.
    mutating func run() {
        var ready: [Int32] = []
        while true {
            poller.wait(nanoseconds: -1) { ready.append(Int32($0)) }
            for descriptor in ready {
                if descriptor == listener { accept() } else { serve(descriptor) }
            }
            ready.removeAll(keepingCapacity: true)
        }
    }

    private mutating func accept() {
        while true {
            let descriptor = Socket.accept(listener)
            guard descriptor >= 0 else { return }
            while kinds.count <= Int(descriptor) {
                kinds.append(.unknown)
                counts.append(0)
            }
            kinds[Int(descriptor)] = .unknown
            counts[Int(descriptor)] = 0
            poller.add(descriptor, number: Int(descriptor))
        }
    }

    private mutating func serve(_ descriptor: Int32) {
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        guard count > 0 else {
            if count == 0 || errno != EAGAIN { leave(descriptor) }
            return
        }
        switch kinds[Int(descriptor)] {
        case .unknown: enter(descriptor, count)
        case .viewer: break
        case .device: frames(descriptor, count)
        }
    }

    /// The first line: `D12` or `V12`.
    private mutating func enter(_ descriptor: Int32, _ count: Int) {
        let driver = (1..<max(1, count - 1)).reduce(0) { $0 * 10 + Int(buffer[$1] &- UInt8(ascii: "0")) }
        if buffer[0] == UInt8(ascii: "V") {
            kinds[Int(descriptor)] = .viewer
            while viewers.count <= driver { viewers.append([]) }
            viewers[driver].append(descriptor)
        } else {
            kinds[Int(descriptor)] = .device
        }
        var plus = UInt8(ascii: "+")
        _ = send(descriptor, &plus, 1, Int32(MSG_NOSIGNAL))
    }

    private mutating func leave(_ descriptor: Int32) {
        if kinds[Int(descriptor)] == .viewer {
            for driver in viewers.indices { viewers[driver].removeAll { $0 == descriptor } }
        }
        poller.remove(descriptor)
        close(descriptor)
    }

    /// Client frames of 126 to 65,535 bytes behind each other: 8 bytes of header, then the payload.
    private mutating func frames(_ descriptor: Int32, _ count: Int) {
        var start = 0
        while start + 8 <= count {
            let length = Int(buffer[start + 2]) << 8 | Int(buffer[start + 3])
            counts[Int(descriptor)] += pingsPerFrame
            acknowledge(descriptor)
            if !viewers.isEmpty { show(payload: start + 8) }
            start += 8 + length
        }
    }

    private mutating func acknowledge(_ descriptor: Int32) {
        var rest = counts[Int(descriptor)]
        for index in 0..<10 {
            acknowledgement[18 - index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        _ = acknowledgement.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// `{"driver_id":"bench-00042","recorded_at":1760000000125,…` has its digits at fixed places.
    private mutating func show(payload: Int) {
        let id = payload + 20
        let driver = (0..<5).reduce(0) { $0 * 10 + Int(buffer[id + $1] &- UInt8(ascii: "0")) }
        guard driver < viewers.count else { return }
        for index in 0..<5 { push[pushDigits.driver + index] = buffer[id + index] }
        for index in 0..<13 { push[pushDigits.recordedAt + index] = buffer[id + 21 + index] }
        push.withUnsafeBytes { bytes in
            for viewer in viewers[driver] { _ = send(viewer, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
        }
    }
}
