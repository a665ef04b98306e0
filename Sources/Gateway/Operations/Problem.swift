/// Errors on HTTP: RFC 9457 `application/problem+json` with a stable code.
import Tracking
import WebServer

/// Makes error replies.
enum Problem {
    /// A problem document.
    static func response(
        _ status: Int, _ code: String, _ detail: String, headers: [(String, String)] = []
    ) -> WebResponse {
        var writer = JSONWriter()
        writer.raw("{\"type\":\"about:blank\",\"title\":")
        writer.string(WebResponse.reason(status))
        writer.raw(",\"status\":\(status),\"code\":")
        writer.string(code)
        writer.raw(",\"detail\":")
        writer.string(detail)
        writer.raw("}")
        return WebResponse(status: status, type: "application/problem+json", body: writer.bytes, headers: headers)
    }

    /// 503: send it again in a second.
    static func unavailable(_ detail: String) -> WebResponse {
        response(503, "unavailable", detail, headers: [("Retry-After", "1")])
    }

    /// 401, alike for every kind of bad credential.
    static func unauthenticated() -> WebResponse {
        response(
            401, "unauthenticated", "a valid credential is required",
            headers: [("WWW-Authenticate", "Bearer realm=\"drover\"")])
    }

    /// 403 that names the permission.
    static func forbidden(_ permission: Permission) -> WebResponse {
        response(403, "forbidden", "the credential lacks \(permission.rawValue)")
    }

    /// 403 that names what is not within the credential's scope.
    static func forbidden(_ subjects: Set<Subject>) -> WebResponse {
        let names = subjects.map(\.name).sorted().prefix(10).joined(separator: ", ")
        return response(403, "forbidden", "not within this credential's scope: \(names)")
    }

    /// 404 for a path.
    static func nothing(at request: WebRequest) -> WebResponse {
        response(404, "not_found", "there is nothing at \(request.path)")
    }

    /// 426 where a WebSocket is.
    static func upgradeRequired() -> WebResponse {
        response(426, "upgrade_required", "this is a WebSocket", headers: [("Upgrade", "websocket")])
    }
}
