/// What limits look like over HTTP: a problem with `Retry-After`, and the fields of draft-ietf-httpapi-ratelimit-headers.
import EventLoop
import Tracking
import WebServer

extension RateLimits.Standing {
    /// Seconds until it is worth trying again, rounded up: waiting so long is always enough.
    var seconds: Int64 { (wait + 999_999) / 1_000_000 }

    /// The most requests at once.
    private var most: Int64 {
        switch basis {
        case .rate(let limit): limit.burst
        case .quota(let quota): quota.requests
        }
    }

    /// Within how many seconds.
    private var windowSeconds: Int64 {
        switch basis {
        case .rate(let limit): limit.secondsToFill
        case .quota(let quota): (quota.periodMilliseconds + 999) / 1_000
        }
    }

    /// What was exceeded, such as `100 requests/s`.
    private func limit(of what: String) -> String {
        switch basis {
        case .rate(let limit): "\(limit.perSecond) \(what)/s"
        case .quota(let quota): "\(quota.requests) \(what) in \(windowSeconds) s"
        }
    }

    /// `RateLimit-Policy` and `RateLimit`: `q` at most within `w` seconds, `r` left, all of it again in `t` seconds.
    var headers: [(String, String)] {
        [
            ("RateLimit-Policy", "\"default\";q=\(most);w=\(windowSeconds)"),
            ("RateLimit", "\"default\";r=\(remaining);t=\(seconds)"),
        ]
    }

    /// 429 for a request.
    var problem: WebResponse {
        Problem.response(
            429, "rate", "more than \(limit(of: "requests")); try again in \(seconds) s",
            headers: [("Retry-After", "\(seconds)")])
    }

    /// 429 for the pings of a request.
    var pingsProblem: WebResponse {
        Problem.response(
            429, "rate",
            "more than \(limit(of: "pings")); nothing was stored, send them again in \(seconds) s",
            headers: [("Retry-After", "\(seconds)")])
    }

    /// The reason that a WebSocket closes with 4429.
    var closeReason: String { "more than \(limit(of: "pings")); retry in \(seconds) s" }
}

extension RateLimits {
    /// A request that needs a credential, or that is for nothing, has come: answers it and says no, or sees to it that its
    /// reply says what is left.
    func admits(_ request: WebRequest, on connection: WebConnection, isKnown: Bool) -> Bool {
        let endpoint = isKnown ? Self.endpoint(request.path) : "unknown"
        return apply(
            admit(address: NetworkAddress(request.peer), endpoint: endpoint, now: SystemClock.monotonicMicroseconds()),
            connection)
    }

    /// The same once the credential is known.
    func admits(_ credential: Credential, _ request: WebRequest, on connection: WebConnection) -> Bool {
        let endpoint = Self.endpoint(request.path)
        return apply(admit(credential, endpoint: endpoint, now: SystemClock.monotonicMicroseconds()), connection)
    }

    /// A request's credential is not good.
    func failed(_ request: WebRequest) {
        failed(
            address: NetworkAddress(request.peer), endpoint: Self.endpoint(request.path),
            now: SystemClock.monotonicMicroseconds())
    }

    private func apply(_ decision: Decision, _ connection: WebConnection) -> Bool {
        switch decision {
        case .taken(let standing?):
            connection.replyHeaders = standing.headers
            return true
        case .taken(nil):
            return true
        case .refused(let standing):
            connection.replyHeaders = standing.headers
            connection.respond(standing.problem)
            return false
        }
    }

    /// A WebSocket's handshake has come; the reply that refuses it, if any.
    func refusal(ofHandshake request: WebRequest) -> WebResponse? {
        let now = SystemClock.monotonicMicroseconds()
        guard
            case .refused(let standing) = admit(
                address: NetworkAddress(request.peer), endpoint: Self.endpoint(request.path), now: now)
        else { return nil }
        var problem = standing.problem
        problem.headers += standing.headers
        return problem
    }

    /// The short name of a route: the fixed parts of its path, such as `drivers.position`. Ids stand in every other part.
    static func endpoint(_ path: String) -> String {
        var parts = path.split(separator: "/")
        if parts.first == "v1" { parts.removeFirst() }
        guard let first = parts.first else { return "unknown" }
        return parts.count > 2 ? "\(first).\(parts[2])" : String(first)
    }
}
