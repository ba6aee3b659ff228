vcl 4.1;

import directors;

probe ready {
	.url = "/readyz";
	.expected_response = 200;
	.interval = 2s;
	.timeout = 2s;
	# Up while two of the last three probes succeeded.
	.window = 3;
	.threshold = 2;
}

backend service_1 {
	.host = "10.0.0.11";
	.port = "8080";
	.probe = ready;
}

backend service_2 {
	.host = "10.0.0.12";
	.port = "8080";
	.probe = ready;
}

sub vcl_init {
	new service = directors.round_robin();
	service.add_backend(service_1);
	service.add_backend(service_2);
}

sub vcl_recv {
	set req.backend_hint = service.backend();
}
