/// What apps without JSON send: names and values in the query, in a form's body, or some here and some there.
import Tracking
import WebServer

extension PhoneCall {
    /// Whether the body is JSON, by its media type or, where that says something else, by how it begins.
    var isJSON: Bool {
        let type = request.headers["content-type"]?.lowercased() ?? ""
        return type.contains("json") || request.body.first { !($0 == 0x20 || $0 == 9 || $0 == 10 || $0 == 13) } == 0x7B
    }

    /// The query's fields and then the body's, which is read as a form whatever its media type says: a template's author may
    /// have left that out.
    var fields: QueryFields {
        var fields = QueryFields(request.query)
        fields.add(form: request.body.span)
        return fields
    }
}
