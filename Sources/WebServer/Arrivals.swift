/// From an accepted connection to one of the library's: the count of its address, the front door, the hand-over.
import CLibwebsockets
import Glibc

extension WebServer {
    /// Whether clients speak TLS to it.
    var isEncrypted: Bool { configuration.certificate != nil }

    func makeDoor() -> FrontDoor {
        FrontDoor(
            loop: loop, maximumBody: configuration.maximumBodyBytes,
            patienceSeconds: configuration.messageDeadlineSeconds,
            admit: { [unowned self] arrival in adopt(arrival) }, leave: { [unowned self] arrival in left(arrival) },
            answer: { [unowned self] refusal in
                var response = response(to: refusal)
                response.closes = true
                response.secure(isEncrypted: isEncrypted)
                return response.serialized(includesBody: true)
            }, meet: { [unowned self] stranger in meet(stranger) })
    }

    func welcome(_ arrival: Arrival) {
        guard !isStopping, let door else {
            Glibc.close(arrival.descriptor)
            return
        }
        var arrival = arrival
        let limit = configuration.connectionsPerAddress
        let address = arrival.address
        if limit > 0, !configuration.exemptAddresses.contains(address), !configuration.trustedProxies.contains(address)
        {
            guard counts.enter(address, limit: limit) else {
                return door.turnAway(
                    arrival,
                    DoorRefusal(
                        status: 429, code: "too_many_connections",
                        detail: "this address has \(limit) connections already; close some, or try again later",
                        headers: [("Retry-After", "10")]))
            }
            arrival.isCounted = true
        }
        // Behind TLS there is nothing to look at yet: the library's checks and ours behind it must do.
        if isEncrypted { adopt(arrival) } else { door.receive(arrival) }
    }

    /// Hands a connection over to the library.
    private func adopt(_ arrival: Arrival) {
        guard let vhost, !isStopping else {
            Glibc.close(arrival.descriptor)
            return left(arrival)
        }
        // On failure the library closes the descriptor itself.
        guard let wsi = lws_adopt_socket_vhost(vhost, arrival.descriptor) else { return left(arrival) }
        _ = attach(wsi, arrival)
    }

    func left(_ arrival: Arrival) {
        if arrival.isCounted { counts.leave(arrival.address) }
    }

    private func meet(_ stranger: RequestHead.Stranger) {
        guard noticed != second else { return }
        noticed = second
        switch stranger {
        case .tls:
            application.notice(
                "a client speaks TLS to a port without it; let it use http: and ws:, or set web.tls_certificate")
        case .http2: application.notice("a client speaks HTTP/2, which is not served; let it use HTTP/1.1")
        }
    }

    /// The reply for a request that goes no further.
    func response(to refusal: DoorRefusal) -> WebResponse {
        var response = application.problem(status: refusal.status, code: refusal.code, detail: refusal.detail)
        response.headers += refusal.headers
        return response
    }
}
