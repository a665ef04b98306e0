/// The platform's words at the door: what Drover calls a driver, an order and a group is accepted under the platform's
/// names too, in paths (`/v1/riders/{id}/position`), questions (`?delivery=9f2`) and subjects (`rider:7`). Inside, and in
/// what is pushed, there are only Drover's own names, which go on working everywhere.
import Tracking
import WebServer

extension Words {
    /// Each of the platform's words with Drover's.
    private var pairs: [(word: Word, own: Word)] {
        let own = Words()
        return [(driver, own.driver), (order, own.order), (group, own.group)].filter { $0.0 != $0.1 }
    }

    /// A subject by the platform's name or Drover's. Where a word of the platform's is one of Drover's for something else,
    /// Drover's is meant.
    func subject(_ name: String) -> Subject? {
        if let subject = Subject(name) { return subject }
        guard let colon = name.firstIndex(of: ":") else { return nil }
        let kind = name[..<colon]
        return pairs.first { $0.word.one == kind }.flatMap { Subject($0.own.one + name[colon...]) }
    }

    /// The same request in Drover's words.
    func canonical(_ request: WebRequest) -> WebRequest {
        guard self != Words(), request.path.hasPrefix("/v1/") else { return request }
        var request = request
        request.path = canonical(path: request.path)
        for index in request.query.indices {
            let name = request.query[index].name
            // No question names a driver so; with a platform that tracks deliveries, `delivery` is the order.
            if let pair = pairs.last(where: { $0.word.one == name && $0.own != Words().driver }) {
                request.query[index].name = pair.own.one
            }
        }
        return request
    }

    /// The collections in a path: its second part, and the fourth, as in `/v1/deliveries/9f2/riders`.
    private func canonical(path: String) -> String {
        var parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let own = Words()
        for place in [2, 4] where parts.count > place {
            if [own.driver.many, own.order.many, own.group.many].contains(parts[place]) { continue }
            if let pair = pairs.first(where: { $0.word.many == parts[place] }) { parts[place] = pair.own.many }
        }
        return parts.joined(separator: "/")
    }
}
