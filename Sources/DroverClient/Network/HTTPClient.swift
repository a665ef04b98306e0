/// A small HTTP/1.1 client: one request at a time on a connection that is kept, and a blocking form for commands.
import EventLoop

/// One connection to one host, made when it is needed and made again when it was lost.
///
/// Requests queue up in order; at most `maximumWaiting` of them.
public final class HTTPClient {
    /// How a request ended.
    public typealias Outcome = Result<HTTPResponse, DroverClientError>

    private struct Exchange {
        let method: String
        let request: [UInt8]
        let deadline: Int64
        let milliseconds: Int
        let completion: (Outcome) -> Void
        /// A request on a connection that had waited idle may meet its end; it is sent once more then.
        var mayRepeat: Bool
    }

    private let network: ClientNetwork
    private let endpoint: Endpoint
    private var connection: StreamConnection?
    private var isConnected = false
    private var waiting: [Exchange] = []
    private var current: Exchange?
    private var parser = HTTPResponseParser()
    private var timer: LoopTimer?
    private var isFirstOnConnection = true
    /// How many requests may wait for the one under way.
    public static let maximumWaiting = 1024

    /// Connects nothing yet; `endpoint`'s path is not used.
    public init(network: ClientNetwork, endpoint: Endpoint) {
        self.network = network
        self.endpoint = endpoint
    }

    /// Sends a request when its turn comes; `completion` is called once. False where too many wait, and nothing happens.
    ///
    /// - Parameter target: path and query.
    @discardableResult
    public func request(
        _ method: String, _ target: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
        milliseconds: Int = 30_000, _ completion: @escaping (Outcome) -> Void
    ) -> Bool {
        guard waiting.count < Self.maximumWaiting else { return false }
        var head = "\(method) \(target.isEmpty ? "/" : target) HTTP/1.1\r\nHost: \(endpoint.authority)\r\n"
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        if let body { head += "Content-Length: \(body.count)\r\n" }
        waiting.append(
            Exchange(
                method: method, request: Array((head + "\r\n").utf8) + (body ?? []),
                deadline: SystemClock.monotonicMicroseconds() + Int64(milliseconds) * 1000, milliseconds: milliseconds,
                completion: completion, mayRepeat: true))
        startNext()
        return true
    }

    /// Drops the connection and forgets what waits, with no further call.
    public func close() {
        waiting = []
        current = nil
        dropConnection()
        timer?.close()
        timer = nil
    }

    /// One request from its beginning to its end, blocking this thread, on a loop of its own.
    public static func request(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: String? = nil,
        milliseconds: Int = 30_000
    ) throws(DroverClientError) -> HTTPResponse {
        let endpoint = try Endpoint(url)
        let loop = EventLoop()
        let client = HTTPClient(network: ClientNetwork(loop: loop), endpoint: endpoint)
        var outcome: Outcome?
        client.request(
            method, endpoint.path, headers: headers, body: body.map { Array($0.utf8) }, milliseconds: milliseconds
        ) {
            outcome = $0
            client.close()
        }
        loop.run()
        guard let outcome else { throw .badReply(endpoint.description, problem: "the request was given up") }
        return try outcome.get()
    }

    private func startNext() {
        guard current == nil, !waiting.isEmpty else { return }
        current = waiting.removeFirst()
        startTimer()
        if isConnected { send() } else { connect() }
    }

    private func connect() {
        let fresh = StreamConnection(network: network, maximumQueuedBytes: .max)
        connection = fresh
        isFirstOnConnection = true
        do {
            try fresh.connect(to: endpoint, owner: self)
        } catch {
            finish(.failure(error))
        }
    }

    private func send() {
        guard let current else { return }
        parser = HTTPResponseParser(hasNoBody: current.method == "HEAD")
        current.request.withUnsafeBytes { _ = connection?.write($0) }
    }

    private func startTimer() {
        guard let current else { return }
        let timer = timer ?? LoopTimer(loop: network.loop) { [weak self] in self?.timeOut() }
        self.timer = timer
        let left = (current.deadline - SystemClock.monotonicMicroseconds()) / 1000
        timer.start(afterMilliseconds: Int(max(0, left)))
    }

    private func timeOut() {
        dropConnection()
        finish(.failure(.timeout(endpoint.description, milliseconds: current?.milliseconds ?? 0)))
    }

    private func dropConnection() {
        connection?.close()
        connection = nil
        isConnected = false
    }

    private func finish(_ outcome: Outcome) {
        timer?.stop()
        guard let exchange = current else { return }
        current = nil
        exchange.completion(outcome)
        startNext()
    }
}

extension HTTPClient: StreamConnectionOwner {
    func connectionOpened() {
        isConnected = true
        send()
    }

    func connectionReceived(_ bytes: UnsafeRawBufferPointer) {
        do {
            guard current != nil, try parser.feed(bytes) != nil, let response = parser.response else { return }
            isFirstOnConnection = false
            if response.header("Connection")?.lowercased() == "close" { dropConnection() }
            finish(.success(response))
        } catch {
            dropConnection()
            finish(.failure(.badReply(endpoint.description, problem: "\(error)")))
        }
    }

    func connectionDrained() {}

    func connectionEnded(_ reason: String?) {
        isConnected = false
        connection = nil
        guard var exchange = current else { return }
        parser.feedEnd()
        if parser.isDone, let response = parser.response { return finish(.success(response)) }
        if !isFirstOnConnection, exchange.mayRepeat, parser.response == nil {
            exchange.mayRepeat = false
            current = exchange
            return connect()
        }
        finish(.failure(.cannotReach(endpoint.description, reason: reason ?? "the connection was closed unanswered")))
    }
}
