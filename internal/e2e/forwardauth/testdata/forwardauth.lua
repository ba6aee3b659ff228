-- Asks forwardauth about the request. The answer is in the variables txn.auth_status (0 if there
-- is none), txn.auth_retry, txn.account, txn.account_name and txn.company.
core.register_action("forwardauth", { "http-req" }, function(txn, url)
	local values = {}
	local sent = txn.http:req_get_headers()["authorization"]
	if sent then
		for i = 0, #sent do
			values[i + 1] = sent[i]
		end
	end
	local answer = core.httpclient():get({
		url = url, headers = { authorization = values }, timeout = 10000,
	})
	local function value(name)
		local found = answer.headers and answer.headers[name]
		return found and found[0] or ""
	end
	txn:set_var("txn.auth_status", answer.status or 0)
	txn:set_var("txn.auth_retry", value("retry-after"))
	txn:set_var("txn.account", value("x-toloka-account-id"))
	txn:set_var("txn.account_name", value("x-toloka-account-name"))
	txn:set_var("txn.company", value("x-toloka-company-id"))
end, 1)
